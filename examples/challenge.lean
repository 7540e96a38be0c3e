/-- The `n`-th odd number. -/
def odd (n : Nat) : Nat := 2 * n + 1

def sumOdd : Nat → Nat
  | 0 => 0
  | n + 1 => sumOdd n + odd n

theorem sumOdd_eq_square (n : Nat) : sumOdd n = n * n := by
  sorry
