/-! Numbers as a student meets them: multiples, sums, powers, a slow and a fast way to the same number. -/

def Multiple (k n : Nat) : Prop := ∃ m, n = k * m

def Coprime' (a b : Nat) : Prop := ∀ d, Multiple d a → Multiple d b → d = 1

theorem multiple_self (n : Nat) : Multiple n n := by
  exact ⟨1, by simp⟩

theorem multiple_zero (n : Nat) : Multiple n 0 := by
  exact ⟨0, rfl⟩

theorem multiple_add {k a b : Nat} (ha : Multiple k a) (hb : Multiple k b) : Multiple k (a + b) := by
  obtain ⟨x, rfl⟩ := ha
  obtain ⟨y, rfl⟩ := hb
  exact ⟨x + y, by rw [Nat.mul_add]⟩

theorem multiple_mul {k a : Nat} (b : Nat) (ha : Multiple k a) : Multiple k (a * b) := by
  obtain ⟨x, rfl⟩ := ha
  exact ⟨x * b, by rw [Nat.mul_assoc]⟩

theorem multiple_trans {a b c : Nat} (h : Multiple a b) (h' : Multiple b c) : Multiple a c := by
  obtain ⟨x, rfl⟩ := h
  obtain ⟨y, rfl⟩ := h'
  exact ⟨x * y, by rw [Nat.mul_assoc]⟩

theorem coprime_symm {a b : Nat} (h : Coprime' a b) : Coprime' b a := by
  intro d h₁ h₂; exact h d h₂ h₁

theorem coprime_one (n : Nat) : Coprime' 1 n := by
  rintro d ⟨x, hx⟩ _
  exact Nat.eq_one_of_mul_eq_one_right hx.symm

def sumTo : Nat → Nat
  | 0 => 0
  | n + 1 => sumTo n + (n + 1)

def sumOdd : Nat → Nat
  | 0 => 0
  | n + 1 => sumOdd n + (2 * n + 1)

def sumFast (n acc : Nat) : Nat :=
  match n with
  | 0 => acc
  | n + 1 => sumFast n (acc + (n + 1))

theorem two_sumTo (n : Nat) : 2 * sumTo n = n * (n + 1) := by
  induction n <;> grind [sumTo]

theorem sumOdd_eq (n : Nat) : sumOdd n = n * n := by
  induction n <;> grind [sumOdd]

theorem sumFast_eq (n acc : Nat) : sumFast n acc = acc + sumTo n := by
  induction n generalizing acc <;> grind [sumFast, sumTo]

theorem sumFast_zero (n : Nat) : sumFast n 0 = sumTo n := by
  simp [sumFast_eq]

theorem sumTo_mono {a b : Nat} (h : a ≤ b) : sumTo a ≤ sumTo b := by
  induction h <;> grind [sumTo]

def fact : Nat → Nat
  | 0 => 1
  | n + 1 => (n + 1) * fact n

theorem fact_pos (n : Nat) : 0 < fact n := by
  induction n <;> simp_all [fact]

theorem le_fact (n : Nat) : n ≤ fact n := by
  cases n with
  | zero => simp [fact]
  | succ n => exact Nat.le_mul_of_pos_right _ (fact_pos n)

/-- Halves the exponent at each step. -/
def fastPow (b n : Nat) : Nat :=
  if n = 0 then 1
  else if n % 2 = 0 then fastPow (b * b) (n / 2)
  else b * fastPow (b * b) (n / 2)
termination_by n
decreasing_by all_goals omega

def double : Nat → Nat
  | 0 => 0
  | n + 1 => double n + 2

theorem double_eq (n : Nat) : double n = n + n := by
  induction n <;> grind [double]

theorem double_inj {a b : Nat} (h : double a = double b) : a = b := by
  simp only [double_eq] at h; omega

theorem exists_double_or (n : Nat) : ∃ k, n = double k ∨ n = double k + 1 := by
  exact ⟨n / 2, by simp only [double_eq]; omega⟩

theorem fastPow_eq (b n : Nat) : fastPow b n = b ^ n := by
  fun_induction fastPow b n with
  | case1 => simp
  | case2 b n h0 h ih =>
    rw [ih, ← Nat.pow_two, ← Nat.pow_mul]; congr 1; omega
  | case3 b n h0 h ih =>
    rw [ih, ← Nat.pow_two, ← Nat.pow_mul, Nat.mul_comm, ← Nat.pow_succ]; congr 1; omega
