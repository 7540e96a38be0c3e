/-! Proofs that are sketched: `prover prove examples/sketch.lean` fills what is left to `sorry`. -/

def sumTo : Nat → Nat
  | 0 => 0
  | n + 1 => sumTo n + (n + 1)

theorem twice_sumTo (n : Nat) : 2 * sumTo n = n * (n + 1) := by
  induction n with
  | zero => sorry
  | succ n ih =>
    have step : 2 * sumTo (n + 1) = 2 * sumTo n + 2 * (n + 1) := by sorry
    sorry

theorem sumTo_le (n m : Nat) (h : n ≤ m) : sumTo n ≤ sumTo m := by
  obtain ⟨k, hk⟩ : ∃ k, m = n + k := by sorry
  subst hk
  induction k with
  | zero => sorry
  | succ k ih =>
    have grows : ∀ i, sumTo i ≤ sumTo (i + 1) := by
      intro i
      sorry
    sorry
