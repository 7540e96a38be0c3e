/-! Propositional formulas: values, negation normal form, and a proof system that proves only what is true. -/

inductive Form where
  | atom : Nat → Form
  | bot : Form
  | neg : Form → Form
  | conj : Form → Form → Form
  | disj : Form → Form → Form
  deriving DecidableEq

namespace Form

def value (v : Nat → Bool) : Form → Bool
  | atom n => v n
  | bot => false
  | neg p => !p.value v
  | conj p q => p.value v && q.value v
  | disj p q => p.value v || q.value v

def imp (p q : Form) : Form := disj (neg p) q

def top : Form := neg bot

def Valid (p : Form) : Prop := ∀ v, p.value v = true

def Equiv (p q : Form) : Prop := ∀ v, p.value v = q.value v

instance : HasEquiv Form := ⟨Equiv⟩

mutual
def nnf : Form → Form
  | atom n => atom n
  | bot => bot
  | neg p => nnfNeg p
  | conj p q => conj (nnf p) (nnf q)
  | disj p q => disj (nnf p) (nnf q)
def nnfNeg : Form → Form
  | atom n => neg (atom n)
  | bot => neg bot
  | neg p => nnf p
  | conj p q => disj (nnfNeg p) (nnfNeg q)
  | disj p q => conj (nnfNeg p) (nnfNeg q)
end

def atoms : Form → List Nat
  | atom n => [n]
  | bot => []
  | neg p => p.atoms
  | conj p q | disj p q => p.atoms ++ q.atoms

theorem value_imp (v : Nat → Bool) (p q : Form) : (imp p q).value v = (!p.value v || q.value v) := by
  rfl

theorem top_valid : top.Valid := by
  intro v; rfl

theorem Equiv.refl (p : Form) : p ≈ p := by
  intro v; rfl

theorem Equiv.trans {p q r : Form} (h : p ≈ q) (h' : q ≈ r) : p ≈ r := by
  intro v; exact (h v).trans (h' v)

theorem de_morgan (p q : Form) : neg (conj p q) ≈ disj (neg p) (neg q) := by
  intro v; simp [value]

theorem valid_iff_equiv_top (p : Form) : p.Valid ↔ p ≈ top := by
  constructor
  · intro h v; simp [h v, top, value]
  · intro h v; have := h v; simpa [top, value] using this

theorem nnf_value (v : Nat → Bool) (p : Form) :
    (nnf p).value v = p.value v ∧ (nnfNeg p).value v = !p.value v := by
  induction p <;> grind [nnf, nnfNeg, value]

theorem excluded_middle (p : Form) : (disj p (neg p)).Valid := by
  intro v; simp [value]

theorem modus_ponens {p q : Form} (h : (imp p q).Valid) (hp : p.Valid) : q.Valid := by
  intro v; have := h v; have := hp v; simp_all [imp, value]

theorem value_congr (v w : Nat → Bool) (p : Form) (h : ∀ n ∈ p.atoms, v n = w n) : p.value v = p.value w := by
  induction p <;> grind [atoms, value]

end Form

/-- What can be derived from assumptions. -/
inductive Derives : List Form → Form → Prop where
  | assume {Γ p} : p ∈ Γ → Derives Γ p
  | both {Γ p q} : Derives Γ p → Derives Γ q → Derives Γ (.conj p q)
  | first {Γ p q} : Derives Γ (.conj p q) → Derives Γ p
  | second {Γ p q} : Derives Γ (.conj p q) → Derives Γ q
  | inl {Γ p q} : Derives Γ p → Derives Γ (.disj p q)
  | inr {Γ p q} : Derives Γ q → Derives Γ (.disj p q)

infix:40 " ⊩ " => Derives

theorem Derives.sound {Γ : List Form} {p : Form} (h : Γ ⊩ p) (v : Nat → Bool) (hv : ∀ q ∈ Γ, q.value v = true) :
    p.value v = true := by
  induction h <;> simp_all [Form.value]

theorem Derives.weaken {Γ Δ : List Form} {p : Form} (h : Γ ⊩ p) (sub : ∀ q ∈ Γ, q ∈ Δ) : Δ ⊩ p := by
  induction h with
  | assume m => exact .assume (sub _ m)
  | both _ _ a b => exact .both a b
  | first _ a => exact .first a
  | second _ a => exact .second a
  | inl _ a => exact .inl a
  | inr _ a => exact .inr a

theorem Derives.swap {p q : Form} : [Form.conj p q] ⊩ .conj q p := by
  exact .both (.second (.assume (.head _))) (.first (.assume (.head _)))
