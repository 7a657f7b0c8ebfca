<%@ include file="/WEB-INF/page.jspf" %>
<p>The <a href="prices.jsp">prices</a> may be kept by every cache on the way.
