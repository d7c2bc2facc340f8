"""HTTP servers: listening and limits, which every service of luxel shares. Owner of uvicorn."""
