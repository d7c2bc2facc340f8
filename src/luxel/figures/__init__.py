"""The paper's figures of the method, from any picture: Fig. 3 (`swap`, `embedding`) and Fig. 5 (`features`)."""
