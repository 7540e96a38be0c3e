/-! Fifty statements that do not hold. `benchmarks/disprove.py` counts how many are refuted. -/

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
theorem square_gt (n : Nat) : n * n > n := by sorry
theorem sub_add (a b : Nat) : a - b + b = a := by sorry
theorem div_mul (a b : Nat) : a / b * b = a := by sorry
theorem div_self (a : Nat) : a / a = 1 := by sorry
theorem sub_lt (a b : Nat) (h : 0 < b) : a - b < a := by sorry
theorem pow_le (a b c : Nat) (h : b ≤ c) : a ^ b ≤ a ^ c := by sorry
theorem square_inj (a b : Int) (h : a * a = b * b) : a = b := by sorry
theorem int_div (a b : Int) (h : b ≠ 0) : a / b * b = a := by sorry
theorem neg_lt (a : Int) : -a < a + 1 := by sorry
theorem lt_square (a : Int) (h : a ≠ 0) : a < a * a := by sorry
theorem mod_add (a b m : Nat) (h : 0 < m) : (a + b) % m = a % m + b % m := by sorry
theorem sum_to (n : Nat) : 2 * sumTo n = n * (n - 1) := by sorry
theorem seven (a b : Nat) (h : a + b = 7) (k : a * b = 12) : a = 3 := by sorry
theorem euler (n : Nat) (h : n < 50) : ∀ d, 1 < d → d < n * n + n + 41 → (n * n + n + 41) % d ≠ 0 := by sorry
theorem gcd_mul (a b : Nat) : Nat.gcd a b * Nat.gcd a b = Nat.gcd (a * b) (a * b) := by sorry
theorem linear (x y : Int) (h : 3 * x + 2 * y = 100) (k : x > 0) (l : y > 0) : x ≤ y := by sorry
-- lists and strings
theorem append_comm (xs ys : List Nat) : xs ++ ys = ys ++ xs := by sorry
theorem reverse_self (xs : List α) : xs.reverse = xs := by sorry
theorem length_tail (xs : List α) : xs.tail.length + 1 = xs.length := by sorry
theorem filter_length (p : α → Bool) (xs : List α) : (xs.filter p).length < xs.length + 0 := by sorry
theorem map_inj (f : Nat → Nat) (xs ys : List Nat) (h : xs.map f = ys.map f) : xs = ys := by sorry
theorem take_drop (xs : List Nat) (n : Nat) : (xs.take n).length = n := by sorry
theorem head_mem (xs : List Nat) : xs.headD 0 ∈ xs := by sorry
theorem erase_length [DecidableEq α] (x : α) (xs : List α) : (xs.erase x).length + 1 = xs.length := by sorry
theorem dup_free (xs : List Nat) (h : xs.length = 3) : xs.eraseDups.length = 3 := by sorry
theorem string_length (s t : String) (h : s.length = t.length) : s = t := by sorry
theorem zip_length (xs : List Nat) (ys : List Bool) : (xs.zip ys).length = xs.length := by sorry
theorem sum_pos (xs : List Nat) (h : xs ≠ []) : 0 < xs.sum := by sorry
-- options, booleans, finite types
theorem option_some (o : Option Nat) : o.isSome := by sorry
theorem option_get (o : Option Nat) : o.getD 0 = o.getD 1 := by sorry
theorem bool_xor (a b c : Bool) : (a != b) = (a && !b) := by sorry
theorem bool_imp (a b : Bool) (h : a || b) : a := by sorry
theorem fin_add (a b : Fin 5) : a ≤ a + b := by sorry
theorem fin_last (n : Nat) (i : Fin (n + 1)) : i.val < n := by sorry
theorem bitvec_lt (x : BitVec 4) : x < x + 1 := by sorry
theorem uint_add (x : UInt8) : x < x + 1 := by sorry
-- own types
theorem tree_size (t : Tree Nat) : t.size = t.depth := by sorry
theorem tree_mirror (t : Tree α) : t.mirror = t := by sorry
theorem tree_list (t : Tree Nat) : t.mirror.toList = t.toList := by sorry
theorem color_next (c : Color) : c.next.next = c := by sorry
theorem formula_true (f : Formula) : f.eval (fun _ => true) = true := by sorry
theorem withdraw_all (a : Account) (n m : Nat) : (a.withdraw n).balance + n = a.balance := by sorry
-- logic
theorem or_and (p q : Prop) (h : p ∨ q) : p ∧ q := by sorry
theorem imp_swap (p q : Prop) (h : p → q) : q → p := by sorry
theorem exists_and (p q : Nat → Prop) (h : ∃ x, p x) (k : ∃ x, q x) : ∃ x, p x ∧ q x := by sorry
theorem forall_or (p q : Nat → Prop) (h : ∀ x, p x ∨ q x) : (∀ x, p x) ∨ ∀ x, q x := by sorry
-- functions and quantifiers in turn
theorem largest : ∃ m : Nat, ∀ n : Nat, n ≤ m := by sorry
theorem no_less : ∀ n : Nat, ∃ m : Nat, m < n := by sorry
theorem injective (f : Nat → Nat) (h : ∀ x y, f x = f y → x = y) : ∀ y, ∃ x, f x = y := by sorry
theorem all_equal.{v} {β : Sort v} (a b : β) : a = b := by sorry
