"""What earlier versions decided and said, recorded from outside, and the commands that compare it; see README.md."""
