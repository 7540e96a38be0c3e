"""The words that Lean commands and tactics begin with, as far as statements, proofs and models use them."""

THEOREMS = frozenset(("theorem", "lemma", "example"))
DEFINITIONS = frozenset(
    ("def", "abbrev", "instance", "structure", "inductive", "class", "axiom", "constant", "opaque", "notation",
     "infix", "infixl", "infixr", "prefix", "postfix", "macro", "macro_rules", "syntax", "elab", "elab_rules",
     "mutual", "coinductive", "declare_syntax_cat", "simproc", "initialize")
)  # fmt: skip
MODIFIERS = frozenset(
    ("private", "protected", "noncomputable", "unsafe", "partial", "nonrec", "local", "scoped", "public")
)
OTHERS = frozenset(
    ("import", "open", "set_option", "universe", "universes", "variable", "variables", "namespace", "section",
     "end", "attribute", "export", "include", "omit", "deriving", "alias", "run_cmd", "add_decl_doc")
)  # fmt: skip
COMMANDS = THEOREMS | DEFINITIONS | MODIFIERS | OTHERS
TACTICS = frozenset(
    ("intro", "intros", "rintro", "exact", "apply", "refine", "refine'", "have", "haveI", "let", "letI", "show",
     "suffices", "obtain", "rcases", "cases", "cases'", "induction", "induction'", "constructor", "left",
     "right", "use", "exists", "exfalso", "contradiction", "rw", "rewrite", "rwa", "simp", "simp_all", "simpa",
     "simp_rw", "dsimp", "norm_num", "norm_cast", "push_cast", "field_simp", "ring", "ring_nf", "linarith",
     "nlinarith", "positivity", "omega", "decide", "native_decide", "rfl", "trivial", "assumption", "tauto",
     "aesop", "grind", "subst", "unfold", "specialize", "calc", "by_cases", "by_contra", "by_contra'",
     "push_neg", "interval_cases", "fin_cases", "all_goals", "any_goals", "repeat", "first", "try", "match",
     "split", "ext", "funext", "congr", "gcongr", "convert", "change", "conv", "nth_rewrite", "generalize",
     "set", "choose", "zify", "exact_mod_cast", "linear_combination", "bound", "norm_num1", "sorry", "skip",
     "case", "next", "rename_i", "injection", "symm", "clear", "revert", "open", "set_option", "abel", "group",
     "noncomm_ring", "ac_rfl", "bv_decide", "wlog", "replace", "absurd", "admit", "repeat'", "iterate", "focus",
     "simp_arith", "infer_instance")
)  # fmt: skip
