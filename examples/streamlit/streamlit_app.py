import math

import pandas as pd
import streamlit as st

st.set_page_config(page_title="Streamlit on Slipway", page_icon="🌊")
st.title("Hello from Streamlit")
st.write("Two waves meet. Move the sliders: each change runs this script again, over one WebSocket.")

left, right = st.columns(2)
first = left.slider("First wavelength", 5, 60, 20)
second = right.slider("Second wavelength", 5, 60, 27)

x = range(240)
waves = pd.DataFrame({
    "first": [math.sin(2 * math.pi * i / first) for i in x],
    "second": [math.sin(2 * math.pi * i / second) for i in x],
})
waves["together"] = waves["first"] + waves["second"]

st.line_chart(waves)
st.metric("Beat length", f"{abs(1 / (1 / first - 1 / second)):.0f}" if first != second else "∞")
