/-! Insertion sort: the result is sorted and has the same elements. -/

def insert' (x : Nat) : List Nat → List Nat
  | [] => [x]
  | y :: ys => if x ≤ y then x :: y :: ys else y :: insert' x ys

def isort : List Nat → List Nat
  | [] => []
  | x :: xs => insert' x (isort xs)

def occurrences (a : Nat) : List Nat → Nat
  | [] => 0
  | x :: xs => (if a = x then 1 else 0) + occurrences a xs

inductive Sorted : List Nat → Prop where
  | nil : Sorted []
  | one (x : Nat) : Sorted [x]
  | cons (x y : Nat) (ys : List Nat) : x ≤ y → Sorted (y :: ys) → Sorted (x :: y :: ys)

theorem length_insert (x : Nat) (xs : List Nat) : (insert' x xs).length = xs.length + 1 := by
  fun_induction insert' x xs <;> simp_all

theorem length_isort (xs : List Nat) : (isort xs).length = xs.length := by
  induction xs <;> simp_all [isort, length_insert]

theorem occurrences_insert (a x : Nat) (xs : List Nat) :
    occurrences a (insert' x xs) = occurrences a (x :: xs) := by
  fun_induction insert' x xs <;> grind [occurrences]

theorem occurrences_isort (a : Nat) (xs : List Nat) : occurrences a (isort xs) = occurrences a xs := by
  induction xs <;> simp_all [isort, occurrences, occurrences_insert]

theorem mem_insert (a x : Nat) (xs : List Nat) : a ∈ insert' x xs ↔ a = x ∨ a ∈ xs := by
  fun_induction insert' x xs <;> grind

theorem mem_isort (a : Nat) (xs : List Nat) : a ∈ isort xs ↔ a ∈ xs := by
  induction xs <;> simp_all [isort, mem_insert]

theorem Sorted.tail {x : Nat} {xs : List Nat} (h : Sorted (x :: xs)) : Sorted xs := by
  cases h <;> first | assumption | constructor

theorem sorted_insert (x : Nat) (xs : List Nat) (h : Sorted xs) : Sorted (insert' x xs) := by
  induction h with
  | nil => simp [insert', Sorted.one]
  | one y => unfold insert'; split <;> grind [insert', Sorted]
  | cons y z zs hyz hz ih => grind [insert', Sorted]

theorem sorted_isort (xs : List Nat) : Sorted (isort xs) := by
  induction xs <;> grind [isort, Sorted, sorted_insert]

theorem insert_of_sorted {x : Nat} {xs : List Nat} (h : Sorted (x :: xs)) : insert' x xs = x :: xs := by
  cases h <;> simp_all [insert']

theorem isort_of_sorted {xs : List Nat} (h : Sorted xs) : isort xs = xs := by
  induction h <;> simp_all [isort, insert']

theorem isort_isort (xs : List Nat) : isort (isort xs) = isort xs := by
  exact isort_of_sorted (sorted_isort xs)
