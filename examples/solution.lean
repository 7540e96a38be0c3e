def odd (n : Nat) : Nat := 2 * n + 1

def sumOdd : Nat → Nat
  | 0 => 0
  | n + 1 => sumOdd n + odd n

theorem square_succ (n : Nat) : (n + 1) * (n + 1) = n * n + odd n := by
  unfold odd
  grind

theorem sumOdd_eq_square (n : Nat) : sumOdd n = n * n := by
  induction n with
  | zero => rfl
  | succ n ih => rw [square_succ, ← ih, sumOdd]
