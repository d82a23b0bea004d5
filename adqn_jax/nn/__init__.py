"""Networks: from what a slot shows to numbers, unrolled along rows or stepped one by one."""
