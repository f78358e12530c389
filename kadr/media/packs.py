"""Frame packs: their artifact, the sampling ladder and their names (said in the contracts, used with media)."""

from kadr.contracts.packs import FPS_LADDER, FRAME_PACK, LONG_SIDE_LADDER, pack_item, pack_name, snap, step_ms

__all__ = ["FPS_LADDER", "FRAME_PACK", "LONG_SIDE_LADDER", "pack_item", "pack_name", "snap", "step_ms"]
