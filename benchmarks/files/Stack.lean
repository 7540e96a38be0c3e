/-! A stack that knows its least element, a queue with a capacity, and undo. -/

structure MinStack where
  items : List Nat
  mins : List Nat

namespace MinStack

def empty : MinStack := ⟨[], []⟩

def push (s : MinStack) (x : Nat) : MinStack where
  items := x :: s.items
  mins := (match s.mins with
    | [] => x
    | m :: _ => min x m) :: s.mins

def pop (s : MinStack) : MinStack := ⟨s.items.tail, s.mins.tail⟩

def top? (s : MinStack) : Option Nat := s.items.head?

def least? (s : MinStack) : Option Nat := s.mins.head?

def IsValid (s : MinStack) : Prop := s.items.length = s.mins.length

def pushAll (s : MinStack) : List Nat → MinStack
  | [] => s
  | x :: xs => (s.push x).pushAll xs

theorem pop_push (s : MinStack) (x : Nat) : (s.push x).pop = s := by
  cases s; simp [push, pop]

theorem top_push (s : MinStack) (x : Nat) : (s.push x).top? = some x := by
  simp [push, top?]

theorem isValid_empty : empty.IsValid := by
  rfl

theorem isValid_push {s : MinStack} (h : s.IsValid) (x : Nat) : (s.push x).IsValid := by
  simp_all [IsValid, push]

theorem isValid_pop {s : MinStack} (h : s.IsValid) : s.pop.IsValid := by
  simp_all [IsValid, pop]

theorem least_push_le (s : MinStack) (x m : Nat) (h : (s.push x).least? = some m) : m ≤ x := by
  grind [push, least?]

theorem items_pushAll (s : MinStack) (xs : List Nat) : (s.pushAll xs).items = xs.reverse ++ s.items := by
  induction xs generalizing s <;> simp_all [pushAll, push]

theorem isValid_pushAll (s : MinStack) (xs : List Nat) (h : s.IsValid) : (s.pushAll xs).IsValid := by
  induction xs generalizing s <;> simp_all [pushAll, isValid_push]

end MinStack

/-- A queue that holds at most `capacity` elements. -/
structure Bounded (α : Type) where
  capacity : Nat
  items : List α
  fits : items.length ≤ capacity

namespace Bounded
variable {α : Type}

def new (n : Nat) : Bounded α := ⟨n, [], Nat.zero_le n⟩

def isFull (q : Bounded α) : Bool := q.items.length == q.capacity

def enqueue (q : Bounded α) (x : α) : Bounded α :=
  if h : q.items.length < q.capacity then ⟨q.capacity, q.items ++ [x], by simp; omega⟩ else q

def dequeue (q : Bounded α) : Option (α × Bounded α) :=
  match q with
  | ⟨_, [], _⟩ => none
  | ⟨n, x :: xs, h⟩ => some (x, ⟨n, xs, by simp at h; omega⟩)

theorem capacity_enqueue (q : Bounded α) (x : α) : (q.enqueue x).capacity = q.capacity := by
  unfold enqueue; split <;> rfl

theorem enqueue_full (q : Bounded α) (x : α) (h : q.isFull = true) : q.enqueue x = q := by
  grind [enqueue, isFull]

theorem dequeue_new (n : Nat) : (new n : Bounded α).dequeue = none := by
  rfl

theorem dequeue_enqueue_new (n : Nat) (x : α) (h : 0 < n) :
    ((new n).enqueue x).dequeue = some (x, new n) := by
  simp [new, enqueue, h, dequeue]

end Bounded
