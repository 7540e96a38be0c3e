/-! State machines: a turnstile, a traffic light, an automaton that counts ones, and what can be reached. -/

namespace Turnstile

inductive State | locked | unlocked
  deriving DecidableEq

inductive Event | coin | push

def next : State → Event → State
  | .locked, .coin => .unlocked
  | .locked, .push => .locked
  | .unlocked, .coin => .unlocked
  | .unlocked, .push => .locked

def run (s : State) (events : List Event) : State := events.foldl next s

theorem coin_unlocks (s : State) : next s .coin = .unlocked := by
  cases s <;> rfl

theorem push_locks (s : State) (es : List Event) : run s (es ++ [.push]) = .locked := by
  simp only [run, List.foldl_append, List.foldl_cons, List.foldl_nil]
  cases List.foldl next s es <;> rfl

theorem run_append (s : State) (a b : List Event) : run s (a ++ b) = run (run s a) b := by
  simp [run]

end Turnstile

namespace Light

inductive Color | red | green | yellow
open Color

def next : Color → Color
  | red => green
  | green => yellow
  | yellow => red

inductive Step : Color → Color → Prop where
  | tick (c : Color) : Step c (next c)

/-- What can be reached in any number of steps. -/
inductive Reach : Color → Color → Prop where
  | refl (c : Color) : Reach c c
  | step {a b c : Color} : Reach a b → Step b c → Reach a c

theorem next_next_next (c : Color) : next (next (next c)) = c := by
  cases c <;> rfl

theorem next_ne (c : Color) : next c ≠ c := by
  cases c <;> simp [next]

theorem Step.det {a b c : Color} (h : Step a b) (h' : Step a c) : b = c := by
  cases h; cases h'; rfl

theorem Reach.trans {a b c : Color} (h : Reach a b) (h' : Reach b c) : Reach a c := by
  induction h' with
  | refl => exact h
  | step _ s ih => exact .step ih s

theorem reach_next (a : Color) : Reach a (next a) := by
  exact .step (.refl a) (.tick a)

theorem reach_all (a b : Color) : Reach a b := by
  cases a <;> cases b <;> first
    | exact .refl _
    | exact .step (.refl _) (.tick _)
    | exact .step (.step (.refl _) (.tick _)) (.tick _)

end Light

/-- Accepts the words with an even number of `true`s. -/
structure Automaton (σ : Type) where
  start : σ
  next : σ → Bool → σ
  accepting : σ → Bool

namespace Automaton
variable {σ : Type}

def after (m : Automaton σ) (s : σ) : List Bool → σ
  | [] => s
  | b :: w => m.after (m.next s b) w

def accepts (m : Automaton σ) (w : List Bool) : Bool := m.accepting (m.after m.start w)

def complement (m : Automaton σ) : Automaton σ := { m with accepting := fun s => !m.accepting s }

def parity : Automaton Bool := ⟨true, fun s b => s != b, id⟩

def ones : List Bool → Nat
  | [] => 0
  | true :: w => ones w + 1
  | false :: w => ones w

theorem after_append (m : Automaton σ) (s : σ) (v w : List Bool) :
    m.after s (v ++ w) = m.after (m.after s v) w := by
  induction v generalizing s <;> simp_all [after]

theorem after_complement (m : Automaton σ) (s : σ) (w : List Bool) : m.complement.after s w = m.after s w := by
  induction w generalizing s <;> simp_all [after, complement]

theorem accepts_complement (m : Automaton σ) (w : List Bool) : m.complement.accepts w = !m.accepts w := by
  simp only [accepts, after_complement]; rfl

theorem complement_complement (m : Automaton σ) : m.complement.complement = m := by
  simp [complement]

theorem parity_after (s : Bool) (w : List Bool) : parity.after s w = (s == (ones w % 2 == 0)) := by
  fun_induction ones w generalizing s <;> grind [after, parity, ones]

theorem parity_accepts (w : List Bool) : parity.accepts w = (ones w % 2 == 0) := by
  rw [accepts, parity_after]; simp [parity]

end Automaton
