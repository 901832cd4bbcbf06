from nicegui import ui
ui.label('hi')
ui.run()
