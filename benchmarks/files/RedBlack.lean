/-! Red-black trees after Okasaki: balancing changes no elements, and the root of what is inserted into is black. -/

namespace RedBlack

inductive Color | red | black

inductive RBTree where
  | leaf
  | node (c : Color) (l : RBTree) (x : Nat) (r : RBTree)

open Color RBTree

def balance : Color → RBTree → Nat → RBTree → RBTree
  | black, node red (node red a x b) y c, z, d => node red (node black a x b) y (node black c z d)
  | black, node red a x (node red b y c), z, d => node red (node black a x b) y (node black c z d)
  | black, a, x, node red (node red b y c) z d => node red (node black a x b) y (node black c z d)
  | black, a, x, node red b y (node red c z d) => node red (node black a x b) y (node black c z d)
  | c, a, x, b => node c a x b

def ins (x : Nat) : RBTree → RBTree
  | leaf => node red leaf x leaf
  | node c l y r =>
    if x < y then balance c (ins x l) y r
    else if y < x then balance c l y (ins x r)
    else node c l y r

def blacken : RBTree → RBTree
  | leaf => leaf
  | node _ l x r => node black l x r

def insert (x : Nat) (t : RBTree) : RBTree := blacken (ins x t)

inductive Mem (x : Nat) : RBTree → Prop where
  | here (c : Color) (l r : RBTree) : Mem x (node c l x r)
  | left {c l y r} : Mem x l → Mem x (node c l y r)
  | right {c l y r} : Mem x r → Mem x (node c l y r)

def toList : RBTree → List Nat
  | leaf => []
  | node _ l x r => toList l ++ [x] ++ toList r

def rootColor : RBTree → Color
  | leaf => black
  | node c _ _ _ => c

theorem toList_balance (c : Color) (l : RBTree) (x : Nat) (r : RBTree) :
    toList (balance c l x r) = toList l ++ [x] ++ toList r := by
  fun_cases balance c l x r <;> simp [toList]

theorem toList_blacken (t : RBTree) : toList (blacken t) = toList t := by
  cases t <;> rfl

theorem mem_ins (x y : Nat) (t : RBTree) : y ∈ toList (ins x t) ↔ y = x ∨ y ∈ toList t := by
  induction t <;> grind [ins, toList, toList_balance]

theorem mem_insert (x y : Nat) (t : RBTree) : y ∈ toList (insert x t) ↔ y = x ∨ y ∈ toList t := by
  simp [insert, toList_blacken, mem_ins]

theorem rootColor_insert (x : Nat) (t : RBTree) : rootColor (insert x t) = black := by
  unfold insert blacken; split <;> rfl

theorem mem_iff_toList (x : Nat) (t : RBTree) : Mem x t ↔ x ∈ toList t := by
  constructor
  · intro h; induction h <;> simp_all [toList]
  · intro h; induction t <;> grind [toList, Mem]

theorem Mem.blacken {x : Nat} {t : RBTree} (h : Mem x t) : Mem x (blacken t) := by
  cases h <;> grind [RedBlack.blacken, Mem]

theorem ins_ne_leaf (x : Nat) (t : RBTree) : ins x t ≠ leaf := by
  cases t with
  | leaf => simp [ins]
  | node c l y r =>
    unfold ins
    split
    · fun_cases balance c (ins x l) y r <;> simp
    · split
      · fun_cases balance c l y (ins x r) <;> simp
      · simp

end RedBlack
