import panel as pn
pn.panel('hi').servable()
