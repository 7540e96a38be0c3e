/-! Contexts that are hard to state: universes, instances, section variables, `let`s, hidden and shadowed names. -/
universe u v
variable {β : Type u} [BEq β]

namespace N

def f (n : Nat) : Nat := n + 1

theorem lets (n m : Nat) (h : n < m) : f n < f m := by
  have h1 : n + 1 < m + 1 := by sorry
  have h2 : f n = n + 1 := by sorry
  obtain ⟨k, hk⟩ : ∃ k, m = n + k := by sorry
  let x : Nat := n + 5
  have : x = 5 + n := sorry
  let y := x + k
  have hy : y = y := sorry
  sorry

theorem instances {α : Type u} [DecidableEq α] (xs : List α) : xs.reverse.reverse = xs := by
  induction xs with
  | nil => sorry
  | cons x xs ih => sorry

theorem hidden (xs : List β) (p : β → Prop) [DecidablePred p] : ∀ x ∈ xs, p x → (xs.filter p).length > 0 := by
  intro _ _ _
  cases xs
  · sorry
  · have h : 1 = 1 := sorry
    have h : h = h := sorry
    sorry

theorem shadowed (n : Nat) (h : n = 3) : ∀ n : Nat, n = 4 → n + 1 = 5 := by
  intro n h
  have h : n = 4 ∧ True := sorry
  sorry

theorem universes {α : Type u} {γ : Type v} (g : α → γ) (s : α × γ) : ∃ t : γ × α, t.2 = s.1 := by
  have key : ∀ a : α, ∃ c, c = g a := by sorry
  obtain ⟨c, hc⟩ := key s.1
  refine ⟨(c, s.1), ?_⟩
  sorry

theorem types {α : Sort u} (P : α → Prop) (h : ∀ x, P x) (x : α) : P x ∧ (∀ {y : α}, P y) := by
  refine ⟨?_, ?_⟩
  · sorry
  · intro y
    sorry

theorem implicit {α : Type u} (r : α → α → Prop) (trans : ∀ {a b c}, r a b → r b c → r a c) (a b c : α)
    (h : r a b) (h' : r b c) : r a c := by
  have step : ∀ {d}, r c d → r a d := by
    intro d hd
    sorry
  sorry

end N
