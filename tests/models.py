"""Models as text, for more than one test."""

#: The usual `.pomdp` file of Tiger.
TIGER = """
# the tiger, as it is usually written
discount: 0.95
values: reward
states: tiger-left tiger-right
actions: listen open-left open-right
observations: left right
T:listen
identity
T:open-left
uniform
T:open-right
uniform
O:listen
0.85 0.15
0.15 0.85
O:open-left
uniform
O:open-right
uniform
R:listen : * : * : * -1
R:open-left : tiger-left : * : * -100
R:open-left : tiger-right : * : * 10
R:open-right : tiger-left : * : * 10
R:open-right : tiger-right : * : * -100
"""
#: The beginning and the rest of a file of three states, between which a test writes its own.
PREAMBLE = "discount: 0.5\nvalues: reward\nstates: 3\nactions: go stay\nobservations: dim lit\n"
REST = "T: * identity\nO: * uniform\nR: * : * : * : * 0\n"
