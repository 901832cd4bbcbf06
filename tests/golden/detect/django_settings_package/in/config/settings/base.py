STATIC_ROOT = 'static_out'
