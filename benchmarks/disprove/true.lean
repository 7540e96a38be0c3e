/-! Fifty statements that hold, many of them near to one that does not. None may be refuted. -/

inductive Tree (α : Type u) where
  | leaf : Tree α
  | node : Tree α → α → Tree α → Tree α

namespace Tree
def size : Tree α → Nat
  | leaf => 0
  | node l _ r => l.size + r.size + 1
def depth : Tree α → Nat
  | leaf => 0
  | node l _ r => max l.depth r.depth + 1
def toList : Tree α → List α
  | leaf => []
  | node l x r => l.toList ++ x :: r.toList
def mirror : Tree α → Tree α
  | leaf => leaf
  | node l x r => node r.mirror x l.mirror
end Tree

inductive Color where
  | red | green | blue
  deriving DecidableEq

def Color.next : Color → Color
  | red => green
  | green => blue
  | blue => red

inductive Formula where
  | var : Nat → Formula
  | not : Formula → Formula
  | and : Formula → Formula → Formula

def Formula.eval (v : Nat → Bool) : Formula → Bool
  | var n => v n
  | not f => !f.eval v
  | and f g => f.eval v && g.eval v

structure Account where
  balance : Nat
  limit : Nat

def Account.withdraw (a : Account) (n : Nat) : Account := { a with balance := a.balance - n }

def sumTo : Nat → Nat
  | 0 => 0
  | n + 1 => sumTo n + (n + 1)

-- numbers
theorem square_ge (n : Nat) : n * n ≥ n := by sorry
theorem sub_add (a b : Nat) (h : b ≤ a) : a - b + b = a := by sorry
theorem div_mul (a b : Nat) : a / b * b ≤ a := by sorry
theorem div_self (a : Nat) : a / a ≤ 1 := by sorry
theorem sub_le (a b : Nat) : a - b ≤ a := by sorry
theorem pow_le (a b c : Nat) (h : b ≤ c) (k : 0 < a) : a ^ b ≤ a ^ c := by sorry
theorem square_inj (a b : Int) (h : a * a = b * b) : a = b ∨ a = -b := by sorry
theorem int_div (a b : Int) : a / b * b + a % b = a := by sorry
theorem div_zero (a : Int) : a / 0 = 0 := by sorry
theorem le_square (a : Int) : a ≤ a * a := by sorry
theorem mod_add (a b m : Nat) : (a + b) % m = (a % m + b % m) % m := by sorry
theorem sum_to (n : Nat) : 2 * sumTo n = n * (n + 1) := by sorry
theorem seven (a b : Nat) (h : a + b = 7) (k : a * b = 12) : a = 3 ∨ a = 4 := by sorry
theorem contradictory (n : Nat) (h : n < 3) (k : 5 < n) : n = 100 := by sorry
theorem cut_off (a b : Nat) : a - b = 0 ∨ b - a = 0 := by sorry
theorem linear (x y : Int) (h : 3 * x + 2 * y = 100) : x % 2 = 0 := by sorry
-- lists and strings
theorem append_length (xs ys : List Nat) : (xs ++ ys).length = (ys ++ xs).length := by sorry
theorem reverse_twice (xs : List α) : xs.reverse.reverse = xs := by sorry
theorem length_tail (xs : List α) : xs.tail.length = xs.length - 1 := by sorry
theorem filter_length (p : α → Bool) (xs : List α) : (xs.filter p).length ≤ xs.length := by sorry
theorem map_length (f : Nat → Nat) (xs ys : List Nat) (h : xs.map f = ys.map f) : xs.length = ys.length := by sorry
theorem take_length (xs : List Nat) (n : Nat) : (xs.take n).length ≤ n := by sorry
theorem head_mem (xs : List Nat) (h : xs ≠ []) : xs.headD 0 ∈ xs := by sorry
theorem erase_length [DecidableEq α] (x : α) (xs : List α) : (xs.erase x).length + 1 ≥ xs.length := by sorry
theorem no_elements (xs : List Nat) (h : ∀ x, x ∉ xs) : xs = [] := by sorry
theorem string_empty (s : String) (h : s = "") : s.length = 0 := by sorry
theorem zip_length (xs : List Nat) (ys : List Bool) : (xs.zip ys).length ≤ xs.length := by sorry
theorem sum_zero (xs : List Nat) (h : xs = []) : xs.sum = 0 := by sorry
-- options, booleans, finite types
theorem option_cases (o : Option Nat) : o.isSome ∨ o.isNone := by sorry
theorem option_get (o : Option Nat) (h : o.isSome) : o.getD 0 = o.getD 1 := by sorry
theorem bool_xor (a b : Bool) : (a != b) = (a && !b || !a && b) := by sorry
theorem bool_imp (a b : Bool) (h : a || b) (k : !b) : a := by sorry
theorem fin_comm (a b : Fin 5) : a + b = b + a := by sorry
theorem fin_last (n : Nat) (i : Fin (n + 1)) : i.val ≤ n := by sorry
theorem bitvec_xor (x : BitVec 4) : x ^^^ x = 0 := by sorry
theorem uint_sub (x : UInt8) : x - x = 0 := by sorry
-- own types
theorem tree_size (t : Tree Nat) : t.depth ≤ t.size := by sorry
theorem tree_mirror (t : Tree α) : t.mirror.mirror = t := by sorry
theorem tree_list (t : Tree Nat) : t.mirror.toList = t.toList.reverse := by sorry
theorem color_next (c : Color) : c.next.next.next = c := by sorry
theorem formula_not (f : Formula) (v : Nat → Bool) : f.not.eval v ≠ f.eval v := by sorry
theorem withdraw_less (a : Account) (n : Nat) (h : n ≤ a.balance) : (a.withdraw n).balance + n = a.balance := by sorry
-- logic
theorem and_or (p q : Prop) (h : p ∧ q) : p ∨ q := by sorry
theorem p_or_not (p : Prop) : p ∨ ¬ p := by sorry
theorem exists_either (p q : Nat → Prop) (h : ∃ x, p x ∨ q x) : (∃ x, p x) ∨ ∃ x, q x := by sorry
theorem forall_both (p q : Nat → Prop) (h : ∀ x, p x ∧ q x) : (∀ x, p x) ∧ ∀ x, q x := by sorry
-- functions and quantifiers in turn
theorem greater : ∀ m : Nat, ∃ n : Nat, m < n := by sorry
theorem least : ∃ m : Nat, ∀ n : Nat, m ≤ n := by sorry
theorem left_inverse (f g : Nat → Nat) (h : ∀ x, g (f x) = x) : ∀ x y, f x = f y → x = y := by sorry
theorem empty_equal (f g : Empty → Nat) : f = g := by sorry
