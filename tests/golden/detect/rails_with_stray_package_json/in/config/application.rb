module A; end
