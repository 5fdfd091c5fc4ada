"""What people see: the Streamlit pages and the JSON API."""
