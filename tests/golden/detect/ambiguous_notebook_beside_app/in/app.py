import streamlit as st
st.title('hi')
