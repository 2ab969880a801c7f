"""Flask extensions, made once and bound to an application by `create_app`."""

from flask_babel import Babel
from flask_bootstrap import Bootstrap5
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_smorest import Api
from flask_wtf.csrf import CSRFProtect

api = Api()
babel = Babel()
bootstrap = Bootstrap5()
csrf = CSRFProtect()
# Throttles guesses at passwords and tokens; quotas of agreements are counted in the database, never here.
limiter = Limiter(get_remote_address, storage_uri="memory://", headers_enabled=False)
