/-! A small imperative language: commands, what they do, and when two of them do the same. -/

namespace Imp

abbrev Store := Nat → Int

def Store.set (s : Store) (x : Nat) (v : Int) : Store := fun y => if y = x then v else s y

inductive Com where
  | skip
  | assign (x : Nat) (e : Store → Int)
  | seq (a b : Com)
  | cond (b : Store → Bool) (t e : Com)
  | loop (b : Store → Bool) (body : Com)

infixr:60 " ;; " => Com.seq

inductive Exec : Com → Store → Store → Prop where
  | skip (s) : Exec .skip s s
  | assign (x e s) : Exec (.assign x e) s (s.set x (e s))
  | seq {a b s t u} : Exec a s t → Exec b t u → Exec (a ;; b) s u
  | then {b t e s u} : b s = true → Exec t s u → Exec (.cond b t e) s u
  | else {b t e s u} : b s = false → Exec e s u → Exec (.cond b t e) s u
  | done {b c s} : b s = false → Exec (.loop b c) s s
  | again {b c s t u} : b s = true → Exec c s t → Exec (.loop b c) t u → Exec (.loop b c) s u

theorem Store.set_same (s : Store) (x : Nat) (v : Int) : s.set x v x = v := by
  simp [Store.set]

theorem Store.set_other (s : Store) (x y : Nat) (v : Int) (h : y ≠ x) : s.set x v y = s y := by
  simp [Store.set, h]

theorem Store.set_set (s : Store) (x : Nat) (v w : Int) : (s.set x v).set x w = s.set x w := by
  funext y; grind [Store.set]

theorem Store.set_comm (s : Store) (x y : Nat) (v w : Int) (h : x ≠ y) :
    (s.set x v).set y w = (s.set y w).set x v := by
  funext z; grind [Store.set]

theorem skip_iff (s t : Store) : Exec .skip s t ↔ s = t := by
  constructor
  · intro h; cases h; rfl
  · intro h; subst h; exact .skip s

theorem skip_seq (c : Com) (s t : Store) : Exec (.skip ;; c) s t ↔ Exec c s t := by
  constructor
  · intro h; cases h with | seq h₁ h₂ => cases h₁; exact h₂
  · intro h; exact .seq (.skip s) h

theorem seq_assoc (a b c : Com) (s t : Store) : Exec ((a ;; b) ;; c) s t ↔ Exec (a ;; b ;; c) s t := by
  constructor
  · intro h; cases h with | seq h₁ h₂ => cases h₁ with | seq h₃ h₄ => exact .seq h₃ (.seq h₄ h₂)
  · intro h; cases h with | seq h₁ h₂ => cases h₂ with | seq h₃ h₄ => exact .seq (.seq h₁ h₃) h₄

theorem cond_same (b : Store → Bool) (c : Com) (s t : Store) : Exec (.cond b c c) s t ↔ Exec c s t := by
  constructor
  · intro h; cases h <;> assumption
  · intro h; cases hb : b s
    · exact .else hb h
    · exact .then hb h

theorem loop_unfold (b : Store → Bool) (c : Com) (s t : Store) :
    Exec (.loop b c) s t ↔ Exec (.cond b (c ;; .loop b c) .skip) s t := by
  constructor
  · intro h; cases h <;> grind [Exec]
  · intro h; cases h with
    | «then» hb h => cases h with | seq h₁ h₂ => exact .again hb h₁ h₂
    | «else» hb h => cases h; exact .done hb

theorem Exec.det {c : Com} {s t u : Store} (h : Exec c s t) (h' : Exec c s u) : t = u := by
  induction h generalizing u <;> cases h' <;> grind

theorem loop_false (b : Store → Bool) (c : Com) (s t : Store) (h : Exec (.loop b c) s t) : b t = false := by
  generalize hd : Com.loop b c = d at h
  induction h <;> simp_all

end Imp
