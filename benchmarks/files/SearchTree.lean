/-! Binary search trees with keys and values, as a finite map. -/

inductive Map (α : Type) where
  | empty : Map α
  | node (left : Map α) (key : Nat) (value : α) (right : Map α) : Map α
  deriving Repr

namespace Map
variable {α : Type}

def find? (k : Nat) : Map α → Option α
  | empty => none
  | node l k' v r => if k < k' then find? k l else if k' < k then find? k r else some v

def insert (k : Nat) (x : α) : Map α → Map α
  | empty => node empty k x empty
  | node l k' v r =>
    if k < k' then node (l.insert k x) k' v r
    else if k' < k then node l k' v (r.insert k x)
    else node l k x r

def size : Map α → Nat
  | empty => 0
  | node l _ _ r => l.size + r.size + 1

def All (p : Nat → Prop) : Map α → Prop
  | empty => True
  | node l k _ r => All p l ∧ p k ∧ All p r

def Ordered : Map α → Prop
  | empty => True
  | node l k _ r => Ordered l ∧ Ordered r ∧ All (· < k) l ∧ All (k < ·) r

def keys : Map α → List Nat
  | empty => []
  | node l k _ r => l.keys ++ k :: r.keys

theorem find_empty (k : Nat) : find? k (empty : Map α) = none := by
  rfl

theorem find_insert (k : Nat) (x : α) (t : Map α) : (t.insert k x).find? k = some x := by
  induction t <;> grind [insert, find?]

theorem find_insert_ne (k j : Nat) (x : α) (t : Map α) (h : j ≠ k) : (t.insert k x).find? j = t.find? j := by
  induction t <;> grind [insert, find?]

theorem insert_insert (k : Nat) (x y : α) (t : Map α) : (t.insert k x).insert k y = t.insert k y := by
  induction t <;> grind [insert]

theorem size_le_insert (k : Nat) (x : α) (t : Map α) : t.size ≤ (t.insert k x).size := by
  induction t <;> grind [insert, size]

theorem length_keys (t : Map α) : t.keys.length = t.size := by
  induction t <;> grind [keys, size]

theorem All.imp {p q : Nat → Prop} (h : ∀ k, p k → q k) (t : Map α) : t.All p → t.All q := by
  induction t <;> grind [All]

theorem all_insert {p : Nat → Prop} (k : Nat) (x : α) (t : Map α) (ht : t.All p) (hk : p k) :
    (t.insert k x).All p := by
  induction t <;> grind [insert, All]

theorem ordered_insert (k : Nat) (x : α) (t : Map α) (h : t.Ordered) : (t.insert k x).Ordered := by
  induction t <;> grind [insert, Ordered, All, all_insert]

theorem all_iff_keys (p : Nat → Prop) (t : Map α) : t.All p ↔ ∀ k ∈ t.keys, p k := by
  induction t <;> grind [keys, All]

end Map
