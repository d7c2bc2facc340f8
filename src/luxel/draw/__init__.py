"""Pictures that people look at: heat maps, false colours, the demonstration scene."""
