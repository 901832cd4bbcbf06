Rails.application.routes.draw { }
