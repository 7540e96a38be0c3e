"""The words that Lean commands begin with, as far as statements, proofs and models use them."""

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
