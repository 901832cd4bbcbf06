import gradio as gr

def greet(n): return n

demo = gr.Interface(fn=greet, inputs='text', outputs='text')
demo.launch()
