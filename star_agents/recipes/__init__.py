"""How one seed becomes data. A recipe is one coroutine that reads like the method and touches only its workbench."""
