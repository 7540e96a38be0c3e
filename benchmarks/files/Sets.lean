/-! Sets as predicates, functions between them, and relations. -/

def Set' (α : Type) := α → Prop

namespace Set'
variable {α β : Type}

def mem (a : α) (s : Set' α) : Prop := s a

instance : Membership α (Set' α) := ⟨fun s a => s a⟩

def union (s t : Set' α) : Set' α := fun a => a ∈ s ∨ a ∈ t
def inter (s t : Set' α) : Set' α := fun a => a ∈ s ∧ a ∈ t
def compl (s : Set' α) : Set' α := fun a => ¬ a ∈ s
def Subset (s t : Set' α) : Prop := ∀ a, a ∈ s → a ∈ t
def image (f : α → β) (s : Set' α) : Set' β := fun b => ∃ a, a ∈ s ∧ f a = b

infix:50 " ⊑ " => Subset

theorem ext {s t : Set' α} (h : ∀ a, a ∈ s ↔ a ∈ t) : s = t := by
  funext a; exact propext (h a)

theorem subset_refl (s : Set' α) : s ⊑ s := by
  intro a h; exact h

theorem subset_trans {s t u : Set' α} (h : s ⊑ t) (h' : t ⊑ u) : s ⊑ u := by
  intro a ha; exact h' a (h a ha)

theorem subset_antisymm {s t : Set' α} (h : s ⊑ t) (h' : t ⊑ s) : s = t := by
  exact ext fun a => ⟨h a, h' a⟩

theorem union_comm (s t : Set' α) : union s t = union t s := by
  exact ext fun a => ⟨Or.symm, Or.symm⟩

theorem inter_union (s t u : Set' α) : inter s (union t u) = union (inter s t) (inter s u) := by
  apply ext; intro a; exact and_or_left

theorem compl_compl (s : Set' α) : compl (compl s) = s := by
  apply ext; intro a; exact Classical.not_not

theorem compl_union (s t : Set' α) : compl (union s t) = inter (compl s) (compl t) := by
  apply ext; intro a; exact not_or

theorem image_union (f : α → β) (s t : Set' α) : image f (union s t) = union (image f s) (image f t) := by
  apply ext; intro b; constructor
  · rintro ⟨a, h | h, e⟩
    · exact .inl ⟨a, h, e⟩
    · exact .inr ⟨a, h, e⟩
  · rintro (⟨a, h, e⟩ | ⟨a, h, e⟩)
    · exact ⟨a, .inl h, e⟩
    · exact ⟨a, .inr h, e⟩

theorem image_mono (f : α → β) {s t : Set' α} (h : s ⊑ t) : image f s ⊑ image f t := by
  rintro b ⟨a, ha, rfl⟩; exact ⟨a, h a ha, rfl⟩

end Set'

variable {α β γ : Type}

def Injective' (f : α → β) : Prop := ∀ x y, f x = f y → x = y
def Surjective' (f : α → β) : Prop := ∀ b, ∃ a, f a = b

theorem injective_comp {f : α → β} {g : β → γ} (hf : Injective' f) (hg : Injective' g) :
    Injective' (fun x => g (f x)) := by
  intro x y h; exact hf x y (hg _ _ h)

theorem surjective_comp {f : α → β} {g : β → γ} (hf : Surjective' f) (hg : Surjective' g) :
    Surjective' (fun x => g (f x)) := by
  intro c
  obtain ⟨b, rfl⟩ := hg c
  obtain ⟨a, rfl⟩ := hf b
  exact ⟨a, rfl⟩

theorem injective_of_inverse {f : α → β} (g : β → α) (h : ∀ a, g (f a) = a) : Injective' f := by
  intro x y e; rw [← h x, ← h y, e]

/-- The smallest transitive relation around another. -/
inductive Plus (r : α → α → Prop) : α → α → Prop
  | single {a b} : r a b → Plus r a b
  | tail {a b c} : Plus r a b → r b c → Plus r a c

def Symmetric' (r : α → α → Prop) : Prop := ∀ {a b}, r a b → r b a

theorem Plus.trans {r : α → α → Prop} {a b c : α} (h : Plus r a b) (h' : Plus r b c) : Plus r a c := by
  induction h' with
  | single s => exact .tail h s
  | tail _ s ih => exact .tail ih s

theorem Plus.mono {r s : α → α → Prop} (h : ∀ a b, r a b → s a b) {a b : α} (p : Plus r a b) : Plus s a b := by
  induction p with
  | single e => exact .single (h _ _ e)
  | tail _ e ih => exact .tail ih (h _ _ e)

theorem Plus.symm {r : α → α → Prop} (h : Symmetric' r) {a b : α} (p : Plus r a b) : Plus r b a := by
  induction p with
  | single e => exact .single (h e)
  | tail _ e ih => exact Plus.trans (.single (h e)) ih
