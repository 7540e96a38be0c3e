/-! Trees: binary ones with their paths, and trees of any width. -/

inductive Bin where
  | leaf (n : Nat)
  | fork (l r : Bin)

namespace Bin

private def sum : Bin → Nat
  | leaf n => n
  | fork l r => l.sum + r.sum

def flatten : Bin → List Nat
  | leaf n => [n]
  | fork l r => l.flatten ++ r.flatten

def flattenOnto : Bin → List Nat → List Nat
  | leaf n, acc => n :: acc
  | fork l r, acc => l.flattenOnto (r.flattenOnto acc)

def mirror : Bin → Bin
  | leaf n => leaf n
  | fork l r => fork r.mirror l.mirror

def height : Bin → Nat
  | leaf _ => 0
  | fork l r => max l.height r.height + 1

def leaves : Bin → Nat
  | leaf _ => 1
  | fork l r => l.leaves + r.leaves

def map (f : Nat → Nat) : Bin → Bin
  | leaf n => leaf (f n)
  | fork l r => fork (l.map f) (r.map f)

/-- `Has n t`: the number stands somewhere in the tree. -/
inductive Has (n : Nat) : Bin → Prop
  | here : Has n (leaf n)
  | left {l r : Bin} : Has n l → Has n (fork l r)
  | right {l r : Bin} : Has n r → Has n (fork l r)

theorem flattenOnto_eq (t : Bin) (acc : List Nat) : t.flattenOnto acc = t.flatten ++ acc := by
  induction t generalizing acc <;> simp_all [flattenOnto, flatten]

theorem flatten_mirror (t : Bin) : t.mirror.flatten = t.flatten.reverse := by
  induction t <;> simp_all [mirror, flatten]

theorem sum_flatten (t : Bin) : t.flatten.sum = t.sum := by
  induction t <;> simp_all [flatten, Bin.sum]

theorem leaves_pos (t : Bin) : 1 ≤ t.leaves := by
  induction t <;> grind [leaves]

theorem leaves_le (t : Bin) : t.leaves ≤ 2 ^ t.height := by
  induction t with
  | leaf => simp [leaves, height]
  | fork l r hl hr =>
    have h₁ : 2 ^ l.height ≤ 2 ^ max l.height r.height := Nat.pow_le_pow_right (by decide) (Nat.le_max_left ..)
    have h₂ : 2 ^ r.height ≤ 2 ^ max l.height r.height := Nat.pow_le_pow_right (by decide) (Nat.le_max_right ..)
    simp only [leaves, height, Nat.pow_succ]; omega

theorem height_lt_leaves (t : Bin) : t.height < t.leaves := by
  induction t <;> grind [leaves, height]

theorem map_id (t : Bin) : t.map id = t := by
  induction t <;> simp_all [map]

theorem flatten_map (f : Nat → Nat) (t : Bin) : (t.map f).flatten = t.flatten.map f := by
  induction t <;> simp_all [map, flatten]

theorem has_iff (n : Nat) (t : Bin) : Has n t ↔ n ∈ t.flatten := by
  constructor
  · intro h; induction h <;> simp_all [flatten]
  · intro h; induction t <;> grind [flatten, Has]

theorem Has.mirror {n : Nat} {t : Bin} (h : Has n t) : Has n t.mirror := by
  induction h with
  | here => exact .here
  | left _ ih => exact .right ih
  | right _ ih => exact .left ih

end Bin

/-- A tree with any number of branches. -/
inductive Rose where
  | node (x : Nat) (children : List Rose)

namespace Rose

mutual
def size : Rose → Nat
  | node _ cs => sizes cs + 1
def sizes : List Rose → Nat
  | [] => 0
  | c :: cs => c.size + sizes cs
end

mutual
def labels : Rose → List Nat
  | node x cs => x :: labelsOf cs
def labelsOf : List Rose → List Nat
  | [] => []
  | c :: cs => c.labels ++ labelsOf cs
end

theorem size_pos (t : Rose) : 0 < t.size := by
  cases t; simp [size]

theorem sizes_append (as bs : List Rose) : sizes (as ++ bs) = sizes as + sizes bs := by
  induction as <;> grind [sizes]

theorem length_labels (t : Rose) : t.labels.length = t.size := by
  refine Rose.rec (motive_1 := fun t => t.labels.length = t.size)
    (motive_2 := fun ts => (labelsOf ts).length = sizes ts) ?_ ?_ ?_ t
  · intro x cs h; simp [labels, size, h]
  · rfl
  · intro c cs h h'; simp [labelsOf, sizes, h, h']

end Rose
