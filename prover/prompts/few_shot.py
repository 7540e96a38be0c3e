"""Examples for base models. They hold in core Lean as well as with Mathlib, whatever usual namespaces are open."""

EXAMPLES = (
    """\
/-- Let $n$ be a natural number with $3n + 4 = 19$. Show that $n$ is 5.-/
theorem example_linear (n : Nat) (h : 3 * n + 4 = 19) : n = 5 := by
  -- Both sides are linear in `n`, so that linear arithmetic decides it.
  omega""",
    """\
/-- Let $p$ and $q$ be propositions. Show that if $p$ and $q$ hold, then $q$ and $p$ hold.-/
theorem example_swap (p q : Prop) (h : p ∧ q) : q ∧ p := by
  -- Take the assumption apart.
  obtain ⟨hp, hq⟩ := h
  -- Both parts of the goal are among its parts.
  constructor
  · exact hq
  · exact hp""",
    """\
/-- Show that every natural number $n$ is $2k$ or $2k + 1$ for some $k$.-/
theorem example_halves (n : Nat) : ∃ k, n = 2 * k ∨ n = 2 * k + 1 := by
  -- By induction on `n`.
  induction n with
  | zero =>
    -- For 0 take 0.
    exact ⟨0, Or.inl rfl⟩
  | succ m ih =>
    -- What comes after `2 * k` is odd; what comes after `2 * k + 1` is twice `k + 1`.
    obtain ⟨k, hk | hk⟩ := ih
    · exact ⟨k, Or.inr (by omega)⟩
    · exact ⟨k + 1, Or.inl (by omega)⟩""",
)
