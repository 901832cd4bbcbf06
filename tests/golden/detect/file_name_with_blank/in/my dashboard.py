import streamlit as st
st.write(1)
