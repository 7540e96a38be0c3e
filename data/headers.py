"""Headers that stand in for a file's own one."""

CORE = """\
notation "ℕ" => Nat
notation "ℤ" => Int

syntax (name := lemma) (priority := default + 1)
  declModifiers group("lemma " declId ppIndent(declSig) declVal) : command
macro_rules
  | `($mods:declModifiers lemma $name $sig $val) => `($mods:declModifiers theorem $name $sig $val)

namespace BigOperators end BigOperators
namespace Real end Real
namespace Topology end Topology
namespace Rat end Rat
"""
"""What Mathlib's usual header gives to statements about numbers that core Lean can express: two notations, `lemma`,
and the namespaces that such files open."""

HEADERS = {"core": CORE}
