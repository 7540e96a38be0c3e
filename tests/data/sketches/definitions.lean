/-! Definitions of the file: namespaces, notation, structures, inductive predicates, private names, instances, terms. -/

inductive Tree (α : Type) where
  | leaf : Tree α
  | node (left : Tree α) (value : α) (right : Tree α)

namespace Tree

def size {α : Type} : Tree α → Nat
  | leaf => 0
  | node l _ r => l.size + 1 + r.size

def mirror {α : Type} : Tree α → Tree α
  | leaf => leaf
  | node l x r => node r.mirror x l.mirror

inductive Mem {α : Type} (x : α) : Tree α → Prop
  | here {l r} : Mem x (node l x r)
  | left {l y r} : Mem x l → Mem x (node l y r)

local notation "♯" t => size t
private def twice (n : Nat) : Nat := n + n
instance {α : Type} : Membership α (Tree α) := ⟨fun t x => Mem x t⟩

theorem size_mirror {α : Type} (t : Tree α) : (♯ t.mirror) = ♯ t := by
  induction t with
  | leaf => sorry
  | node l x r ihl ihr =>
    have h : ((node l x r).mirror).size = r.mirror.size + 1 + l.mirror.size := by sorry
    have h' : twice l.size = 2 * l.size := by sorry
    sorry

theorem mem {α : Type} (x : α) (t : Tree α) (h : x ∈ t) : 0 < t.size := by
  cases h
  · sorry
  · rename_i h
    sorry

theorem terms {α : Type} : ∀ t : Tree α, t.size = 0 → t = leaf
  | leaf, _ => sorry
  | node l x r, h => absurd h (by sorry)

end Tree

structure Point where
  x : Int
  y : Int

open Tree in
theorem opened (p : Point) (t : Tree Point) (h : size t = 0) : t = leaf ∧ p = ⟨p.x, p.y⟩ := by
  have hx : { p with x := p.x } = p := by sorry
  constructor
  · sorry
  · obtain ⟨x, y⟩ := p
    sorry

theorem pairs (s : Nat × Nat) (xs : List (Nat × Nat)) (h : s ∈ xs) : ∃ y ∈ xs, y.1 = s.1 ∧ ∀ z ∈ xs, z = z := by
  obtain ⟨a, b⟩ := s
  exact ⟨(a, b), sorry, by sorry, fun z hz => sorry⟩

theorem matched (o : Option Nat) (n : Nat) (h : o = some n) : (match o with | none => 0 | some m => m) = n := by
  match o, h with
  | some m, h => sorry  -- Lean does not read it as it prints it

theorem cased (o : Option Nat) (n : Nat) (h : o = some n) : (match o with | none => 0 | some m => m) = n := by
  have step : (match o with | none => 1 | some m => m + 1) = n + 1 := by sorry
  cases o with
  | none => sorry
  | some m => sorry

theorem choice (p q : Nat → Prop) (h : ∀ n, p n ∨ q n) : (∃ f : Nat → Bool, ∀ n, f n = true → p n) := by
  have dec : ∀ n, ∃ b : Bool, b = true → p n := by
    intro n
    rcases h n with hp | hq
    · sorry
    · sorry
  sorry
