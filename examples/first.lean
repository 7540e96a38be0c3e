/-!
A dozen theorems for `prover prove`: core Lean, no Mathlib. Some fall to a single tactic; the others need an induction, a
case split or a combination. Each `sorry` is where a proof is wanted.
-/

/-- The sum of the numbers below `n`. -/
def sumBelow : Nat → Nat
  | 0 => 0
  | n + 1 => sumBelow n + n

/-- Twice the sum of the numbers below `n + 1` is `n * (n + 1)`. -/
theorem gauss (n : Nat) : 2 * sumBelow (n + 1) = n * (n + 1) := by
  sorry

/-- A tree with numbers at its nodes. -/
inductive Tree where
  | leaf : Tree
  | node : Tree → Nat → Tree → Tree

namespace Tree

def mirror : Tree → Tree
  | leaf => leaf
  | node l x r => node r.mirror x l.mirror

def size : Tree → Nat
  | leaf => 0
  | node l _ r => l.size + 1 + r.size

theorem mirror_mirror (t : Tree) : t.mirror.mirror = t := by
  sorry

theorem size_mirror (t : Tree) : t.mirror.size = t.size := by
  sorry

end Tree

theorem and_or_distrib (p q r : Prop) : p ∧ (q ∨ r) ↔ (p ∧ q) ∨ (p ∧ r) := by
  sorry

/-- Peirce's law: it holds classically only. -/
theorem peirce (p q : Prop) : ((p → q) → p) → p := by
  sorry

theorem between (a b c : Int) (h₁ : a < b) (h₂ : b < c) : a + 2 ≤ c := by
  sorry

/-- A square leaves the remainder 0 or 1 when divided by 4. -/
theorem square_mod_four (n : Nat) : n ^ 2 % 4 = 0 ∨ n ^ 2 % 4 = 1 := by
  sorry

theorem product_of_two_odds (a b : Nat) (ha : a % 2 = 1) (hb : b % 2 = 1) : (a * b) % 2 = 1 := by
  sorry

theorem square_of_sum (a b : Int) : (a + b) ^ 2 = a ^ 2 + 2 * a * b + b ^ 2 := by
  sorry

/-- Which digits are their own square's last digit? -/
theorem automorphic_digits (d : Nat) (h : d < 10) : d * d % 10 = d ↔ d = 0 ∨ d = 1 ∨ d = 5 ∨ d = 6 := by
  sorry

theorem length_append_reverse (xs ys : List Nat) : (xs ++ ys).reverse.length = ys.length + xs.length := by
  sorry

theorem injective_comp (f g : Nat → Nat) (hf : ∀ a b, f a = f b → a = b) (hg : ∀ a b, g a = g b → a = b) :
    ∀ a b, f (g a) = f (g b) → a = b := by
  sorry

theorem three_divides (n : Nat) : (n ^ 3 + 2 * n) % 3 = 0 := by
  sorry
