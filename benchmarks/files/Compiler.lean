/-! An expression language with variables, its interpreter, a stack machine and the compiler; a constant folder. -/

namespace Arith

abbrev Env := String → Nat

inductive Expr where
  | num (n : Nat)
  | var (x : String)
  | plus (a b : Expr)
  | times (a b : Expr)

def Expr.eval (env : Env) : Expr → Nat
  | num n => n
  | var x => env x
  | plus a b => a.eval env + b.eval env
  | times a b => a.eval env * b.eval env

inductive Instr where
  | push (n : Nat)
  | load (x : String)
  | add
  | mul

open Instr

def step (env : Env) : Instr → List Nat → List Nat
  | push n, s => n :: s
  | load x, s => env x :: s
  | add, a :: b :: s => (b + a) :: s
  | mul, a :: b :: s => (b * a) :: s
  | _, s => s

def run (env : Env) : List Instr → List Nat → List Nat
  | [], s => s
  | i :: is, s => run env is (step env i s)

def compile : Expr → List Instr
  | .num n => [push n]
  | .var x => [load x]
  | .plus a b => compile a ++ compile b ++ [add]
  | .times a b => compile a ++ compile b ++ [mul]

theorem run_append (env : Env) (p q : List Instr) (s : List Nat) :
    run env (p ++ q) s = run env q (run env p s) := by
  induction p generalizing s <;> simp_all [run]

theorem run_compile (env : Env) (e : Expr) (s : List Nat) :
    run env (compile e) s = e.eval env :: s := by
  induction e generalizing s <;> grind [compile, run, run_append, step, Expr.eval]

theorem compile_correct (env : Env) (e : Expr) : run env (compile e) [] = [e.eval env] := by
  simp [run_compile]

theorem compile_ne_nil (e : Expr) : compile e ≠ [] := by
  cases e <;> simp [compile]

/-- Additions of zero and products with zero or one are not needed. -/
def simplify : Expr → Expr
  | .plus a b =>
    match simplify a, simplify b with
    | .num 0, b' => b'
    | a', .num 0 => a'
    | a', b' => .plus a' b'
  | .times a b => .times (simplify a) (simplify b)
  | e => e

theorem simplify_correct (env : Env) (e : Expr) : (simplify e).eval env = e.eval env := by
  fun_induction simplify e <;> simp_all [Expr.eval]

def size : Expr → Nat
  | .plus a b | .times a b => size a + size b + 1
  | _ => 1

theorem size_pos (e : Expr) : 0 < size e := by
  cases e <;> simp [size]

theorem length_compile (e : Expr) : (compile e).length = size e := by
  induction e <;> simp_all [compile, size] <;> omega

def subst (x : String) (by' : Expr) : Expr → Expr
  | .num n => .num n
  | .var y => if x = y then by' else .var y
  | .plus a b => .plus (subst x by' a) (subst x by' b)
  | .times a b => .times (subst x by' a) (subst x by' b)

theorem eval_subst (env : Env) (x : String) (r e : Expr) :
    (subst x r e).eval env = e.eval (fun y => if x = y then r.eval env else env y) := by
  induction e <;> grind [subst, Expr.eval]

end Arith
