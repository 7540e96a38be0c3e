"""Texts whose exports are changed at random: together they use every rule of the kernel."""

TEXTS = {
    "types": """inductive Tree (α : Type u) : Type u
  | node (value : α) (children : List (Tree α)) : Tree α
def Tree.value : Tree α → α | .node v _ => v
theorem one : (Tree.node 3 []).value = 3 := rfl
mutual
inductive Odd : Nat → Prop
  | step (n : Nat) : Even n → Odd (n + 1)
inductive Even : Nat → Prop
  | zero : Even 0
  | step (n : Nat) : Odd n → Even (n + 1)
end
theorem two : Even 2 := .step 1 (.step 0 .zero)
inductive Vec (α : Type u) : Nat → Type u
  | nil : Vec α 0
  | cons {n : Nat} (a : α) (as : Vec α n) : Vec α (n + 1)
def Vec.head : Vec α (n + 1) → α | .cons a _ => a
theorem t (v : Vec Nat 3) (f : Nat → Nat) : f v.head = f v.head ∧ Even 2 ∧ (Tree.node 3 []).value = 3 := ⟨rfl, two, one⟩
""",
    "structures": """structure Point (α : Type u) where
  x : α
  y : α
structure Between (p : Nat → Prop) where
  n : Nat
  lower : 0 < n
  holds : p n
structure Point3 (α : Type u) extends Point α where
  z : α
class Shape (α : Type u) where
  size : α → Nat
  small : ∀ a, size a < 100
instance : Shape Bool := ⟨fun b => if b then 1 else 2, by decide⟩
theorem eta (p : Point Nat) : p = ⟨p.x, p.y⟩ := rfl
theorem eta3 (p : Point3 Nat) : p = ⟨⟨p.x, p.y⟩, p.z⟩ := rfl
theorem unit (a b : Unit) : a = b := rfl
theorem proofs (p : Prop) (a b : p) (f : p → Nat) : f a = f b := rfl
theorem t (b : Between (· < 5)) : 0 < b.n ∧ Shape.size true = 1 ∧ (Point.mk 1 2).y = 2 := ⟨b.lower, rfl, rfl⟩
""",
    "numbers": """def double (n : Nat) : Nat := n + n
def fact : Nat → Nat | 0 => 1 | n + 1 => (n + 1) * fact n
theorem a : double 21 = 42 := rfl
theorem b : fact 5 = 120 := by decide
theorem c : 2 ^ 70 % 1000 = 424 ∧ Nat.gcd 12 18 = 6 := by decide
theorem d : "ab".length = 2 ∧ 'a'.toNat = 97 := by decide
theorem e (n : Nat) : n + 1 ≠ 0 := Nat.succ_ne_zero n
theorem f (a b : Nat) (h : a < b) : a + 1 < b + 1 := by omega
theorem t : double 21 = 42 ∧ fact 5 = 120 ∧ "ab".length = 2 ∧ (let x := 5; x * x) = 25 := ⟨a, b, d.1, rfl⟩
""",
    "universes": """universe u v w
def compose {α : Sort u} {β : Sort v} {γ : Sort w} (g : β → γ) (f : α → β) : α → γ := fun x => g (f x)
inductive Sum' (α : Type u) (β : Type v) : Type (max u v)
  | left (a : α) | right (b : β)
inductive PEq {α : Sort u} : α → α → Prop
  | refl (a : α) : PEq a a
def PEq.cast {α β : Sort u} (h : PEq α β) (a : α) : β := by cases h; exact a
structure Lift (α : Sort u) : Type u where
  down : α
theorem k (h : PEq 1 1) : h.rec (motive := fun _ _ => Nat) 3 = 3 := rfl
theorem t {α : Sort u} {β : Sort v} (f : α → β) :
    compose (fun y => y) f = f ∧ Type u = Type u ∧ (PEq.refl Nat).cast 3 = 3 := ⟨rfl, rfl, rfl⟩
""",
    "logic": """theorem swap (p q : Prop) : p ∧ q → q ∧ p := fun ⟨a, b⟩ => ⟨b, a⟩
theorem or (p q r : Prop) : p ∧ (q ∨ r) → (p ∧ q) ∨ (p ∧ r) := by
  rintro ⟨hp, hq | hr⟩
  · exact .inl ⟨hp, hq⟩
  · exact .inr ⟨hp, hr⟩
theorem em (p : Prop) : ¬¬p → p := Classical.byContradiction
theorem ex (p : Nat → Prop) (h : ∃ n, p n ∧ n > 3) : ∃ n, p n := h.elim fun n hn => ⟨n, hn.1⟩
theorem ind (n : Nat) : 0 + n = n := by induction n with | zero => rfl | succ n ih => rw [← Nat.add_assoc, ih]
theorem t (p q : Prop) : (p ∧ q ↔ q ∧ p) ∧ (¬¬p → p) := ⟨⟨swap p q, swap q p⟩, em p⟩
""",
    "recursion": """def ack : Nat → Nat → Nat
  | 0, n => n + 1
  | m + 1, 0 => ack m 1
  | m + 1, n + 1 => ack m (ack (m + 1) n)
termination_by m n => (m, n)
def mod3 (n : Nat) : Fin 3 := ⟨n % 3, Nat.mod_lt _ (by decide)⟩
def parity (s : Quot (fun (a b : Nat) => a % 2 = b % 2)) : Bool :=
  s.lift (fun n => n % 2 == 0) (fun a b h => by simp [h])
theorem q : parity (Quot.mk _ 4) = true := rfl
theorem len (xs ys : List Nat) : (xs ++ ys).length = xs.length + ys.length := by
  induction xs <;> simp_all [Nat.add_right_comm]
theorem z (a b : Int) (h : a < b) : a + 1 ≤ b := h
theorem t : parity (Quot.mk _ 4) = true ∧ mod3 5 = 2 ∧ ([1, 2] ++ [3]).length = 3 := ⟨q, rfl, rfl⟩
""",
    "acc": """inductive W (α : Type) (β : α → Type) : Type
  | sup (a : α) (f : β a → W α β) : W α β
inductive Reach (r : Nat → Nat → Prop) : Nat → Nat → Prop
  | here (n) : Reach r n n
  | there {a b c} : r a b → Reach r b c → Reach r a c
inductive Rose | leaf | node (ts : Array Rose)
inductive Term' | var (n : Nat) | app (f : String) (xs : List (Nat × Term'))
theorem reach (r) (h : r 1 2) : Reach r 1 2 := .there h (.here 2)
def W.depth0 : W Bool (fun _ => Empty) → Bool | .sup a _ => a
def Rose.isLeaf : Rose → Bool | .leaf => true | .node _ => false
theorem t : Rose.leaf.isLeaf = true ∧
    (W.sup true Empty.elim : W Bool (fun _ => Empty)).depth0 = true ∧
    Term'.app "f" [] = .app "f" [] := ⟨rfl, rfl, rfl⟩
""",
}
