"""How far experts agree, and how their opinions become one map."""
