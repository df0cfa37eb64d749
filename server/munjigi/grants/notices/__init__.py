"""What people are told, whom, and when: pure rules over permission records, state and time. Delivery is elsewhere."""
