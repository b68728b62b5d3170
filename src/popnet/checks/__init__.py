"""The sheet against its data: the one room that knows both."""
