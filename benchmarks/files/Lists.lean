/-! Lists of our own, with the functions that everybody writes. -/

inductive Lst (α : Type) where
  | nil : Lst α
  | cons : α → Lst α → Lst α

namespace Lst
variable {α β γ : Type}

def app : Lst α → Lst α → Lst α
  | nil, ys => ys
  | cons x xs, ys => cons x (app xs ys)

instance : Append (Lst α) := ⟨app⟩

def len : Lst α → Nat
  | nil => 0
  | cons _ xs => xs.len + 1

def rev : Lst α → Lst α
  | nil => nil
  | cons x xs => rev xs ++ cons x nil

def revOnto : Lst α → Lst α → Lst α
  | nil, acc => acc
  | cons x xs, acc => revOnto xs (cons x acc)

def map (f : α → β) : Lst α → Lst β
  | nil => nil
  | cons x xs => cons (f x) (map f xs)

def filter (p : α → Bool) : Lst α → Lst α
  | nil => nil
  | cons x xs => bif p x then cons x (filter p xs) else filter p xs

def take : Nat → Lst α → Lst α
  | 0, _ => nil
  | _, nil => nil
  | n + 1, cons x xs => cons x (take n xs)

def drop : Nat → Lst α → Lst α
  | 0, xs => xs
  | _, nil => nil
  | n + 1, cons _ xs => drop n xs

def foldr (f : α → β → β) (b : β) : Lst α → β
  | nil => b
  | cons x xs => f x (foldr f b xs)

def Mem (a : α) : Lst α → Prop
  | nil => False
  | cons x xs => a = x ∨ Mem a xs

theorem nil_app (xs : Lst α) : nil ++ xs = xs := by
  rfl

theorem app_nil (xs : Lst α) : xs ++ nil = xs := by
  induction xs with
  | nil => rfl
  | cons x xs ih => exact congrArg (cons x) ih

theorem app_assoc (xs ys zs : Lst α) : xs ++ ys ++ zs = xs ++ (ys ++ zs) := by
  induction xs with
  | nil => rfl
  | cons x xs ih => exact congrArg (cons x) ih

theorem len_app (xs ys : Lst α) : (xs ++ ys).len = xs.len + ys.len := by
  induction xs with
  | nil => simp [nil_app, len]
  | cons x xs ih => show ((xs ++ ys).len + 1) = _; simp [ih, len]; omega

theorem len_rev (xs : Lst α) : xs.rev.len = xs.len := by
  induction xs <;> simp_all [rev, len, len_app]

theorem rev_app (xs ys : Lst α) : (xs ++ ys).rev = ys.rev ++ xs.rev := by
  induction xs with
  | nil => simp [nil_app, rev, app_nil]
  | cons x xs ih => show (xs ++ ys).rev ++ cons x nil = _; rw [ih, rev, app_assoc]

theorem rev_rev (xs : Lst α) : xs.rev.rev = xs := by
  induction xs with
  | nil => rfl
  | cons x xs ih => simp only [rev, rev_app, ih]; rfl

theorem revOnto_eq (xs acc : Lst α) : revOnto xs acc = xs.rev ++ acc := by
  induction xs generalizing acc with
  | nil => rfl
  | cons x xs ih => simp only [revOnto, rev, ih, app_assoc]; rfl

theorem map_map (f : α → β) (g : β → γ) (xs : Lst α) : (xs.map f).map g = xs.map (fun x => g (f x)) := by
  induction xs <;> simp_all [map]

theorem map_app (f : α → β) (xs ys : Lst α) : (xs ++ ys).map f = xs.map f ++ ys.map f := by
  induction xs with
  | nil => rfl
  | cons x xs ih => show cons (f x) ((xs ++ ys).map f) = _; rw [ih]; rfl

theorem filter_filter (p q : α → Bool) (xs : Lst α) :
    (xs.filter q).filter p = xs.filter (fun x => p x && q x) := by
  induction xs with
  | nil => rfl
  | cons x xs ih => cases hp : p x <;> cases hq : q x <;> simp_all [filter]

theorem len_filter_le (p : α → Bool) (xs : Lst α) : (xs.filter p).len ≤ xs.len := by
  induction xs with
  | nil => exact Nat.le_refl _
  | cons x xs ih => cases hp : p x <;> simp [filter, hp, len] <;> omega

theorem take_app_drop (n : Nat) (xs : Lst α) : xs.take n ++ xs.drop n = xs := by
  fun_induction take n xs with
  | case1 => rfl
  | case2 => simp [drop]; rfl
  | case3 n x xs ih => exact congrArg (cons x) ih

theorem foldr_cons_nil (xs : Lst α) : xs.foldr cons nil = xs := by
  induction xs <;> simp_all [foldr]

theorem mem_app (a : α) (xs ys : Lst α) : Mem a (xs ++ ys) ↔ Mem a xs ∨ Mem a ys := by
  induction xs with
  | nil => simp [nil_app, Mem]
  | cons x xs ih => show (a = x ∨ Mem a (xs ++ ys)) ↔ _; simp [ih, Mem, or_assoc]

theorem mem_map (b : β) (f : α → β) (xs : Lst α) : Mem b (xs.map f) ↔ ∃ a, Mem a xs ∧ f a = b := by
  induction xs <;> grind [map, Mem]

end Lst
