"""Small networks as users bring them, and the plain loop that each is checked against."""

from . import handmade_networks, jelly_networks, leaky_networks, torch_networks
from .specimen import Specimen

ZOO: list[Specimen] = [
    *leaky_networks.SPECIMENS,
    *jelly_networks.SPECIMENS,
    *torch_networks.SPECIMENS,
    *handmade_networks.SPECIMENS,
]
