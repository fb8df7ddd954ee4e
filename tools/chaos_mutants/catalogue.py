"""Every mutant: those that a loop has to notice, and those that a test has to."""

from __future__ import annotations

from chaos_mutants.admission import ADMISSION_TESTED_MUTANTS
from chaos_mutants.arena import ARENA_TESTED_MUTANTS
from chaos_mutants.instruct import INSTRUCT_TESTED_MUTANTS
from chaos_mutants.own_recipes import OWN_RECIPE_TESTED_MUTANTS
from chaos_mutants.patches import MUTANTS
from chaos_mutants.recipes import RECIPE_MUTANTS, RECIPE_TESTED_MUTANTS
from chaos_mutants.safeguards import TESTED_MUTANTS

BY_LOOPS = (*MUTANTS, *RECIPE_MUTANTS)
BY_TESTS = (
    *TESTED_MUTANTS,
    *RECIPE_TESTED_MUTANTS,
    *OWN_RECIPE_TESTED_MUTANTS,
    *ARENA_TESTED_MUTANTS,
    *INSTRUCT_TESTED_MUTANTS,
    *ADMISSION_TESTED_MUTANTS,
)
