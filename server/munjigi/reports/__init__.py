"""What is shown to people outside of the screen: the panels of a dashboard, answered and ready to be drawn."""
