"""Files of documents as text: what is in them, without what is only around it, in chunks. It spends nothing."""
