/-! Numbers, casts and notation: what is printed must be read as it was meant. -/

theorem casts (n : Nat) (h : (3 : Int) ∣ n ^ 2) (i : Fin 5) : (i : Nat) < 7 ∧ ∃ x : Int, x * 3 = n ^ 2 := by
  constructor
  · sorry
  · refine ⟨?_, ?_⟩
    all_goals sorry  -- it closes several goals at once

theorem several (a b c : Nat) (h₁ : a ≤ b) (h₂ : b ≤ c) : a ≤ c ∧ (a : Int) ≤ c := by
  constructor
  · exact calc
      a ≤ b := sorry
      _ ≤ c := by sorry
  · have h : (a : Int) - c ≤ 0 := by sorry
    suffices hs : (c : Int) - a ≥ 0 by sorry
    sorry

theorem generalised (a b : Nat) : a + b = b + a := by
  induction a generalizing b
  case zero => sorry
  case succ => sorry

theorem big (n : Nat) (x : Int) (hx : x = -5) : 2 ^ 100 * n % 7 = n * 2 % 7 ∧ -x = 5 ∧ (x / 2) < 0 := by
  refine ⟨?_, ?_, ?_⟩
  · sorry
  · sorry
  · sorry

theorem fins (n : Nat) (i j : Fin (n + 1)) (h : i.val + 1 = j.val) : i < j ∧ (⟨0, Nat.succ_pos n⟩ : Fin (n + 1)) ≤ i := by
  constructor
  · sorry
  · sorry

theorem words (w : BitVec 8) (c : Char) (s : String) : w &&& w = w ∧ (s.push c).length = s.length + 1 := by
  constructor
  · sorry
  · sorry

theorem bools (b : Bool) (p q : Prop) [Decidable p] : (b && !b) = false ∧ (decide p = true ↔ p) ∧ (p ∧ q → q) := by
  refine ⟨?_, ?_, ?_⟩
  · sorry
  · sorry
  · intro ⟨_, _⟩
    sorry

theorem data (n : Nat) : ∃ m : Nat, m > n ∧ m % 2 = 0 := by
  refine ⟨?_, ?_, ?_⟩
  · exact sorry
  · sorry  -- it speaks of what is left open elsewhere
  · sorry  -- it speaks of what is left open elsewhere
