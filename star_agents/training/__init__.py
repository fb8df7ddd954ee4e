"""Fine-tuning by TRL: SFT, DPO, reward models, RLOO. Needs the extra `star-agents[train]`, and only where it trains."""
